"""Tables of cases with their sources, and the runners that hold the code against them; `make conformance`.

A row is a fact from outside, or a rule that the project has given itself, in the form given, when, then. The tables are
data: they know no function of ours, and a runner for each topic turns a row into calls.
"""
