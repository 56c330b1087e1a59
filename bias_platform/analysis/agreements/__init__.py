"""The agreement report of a study: personas against the model without persona, each other, and people of their group.

Not here: the statistics themselves (`statistics`), mixed models (`analysis.regression`), comparing texts (`models`; a
scorer is handed in), pages (`reports`).
"""
