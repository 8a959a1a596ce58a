"""The command line: parse, call one function, report, exit. Commands import what they need when they are called."""
