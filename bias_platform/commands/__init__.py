"""Groups of commands of the command line, one module each; `bias_platform.command` puts them together.

A command reads its arguments, calls into the rooms below, and prints. Not here: what is printed of a thing that other
rooms show too (it belongs to the thing), and anything the Dagster UI does.
"""
