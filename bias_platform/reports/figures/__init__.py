"""Plots of result tables: tidy frames in, matplotlib figures out.

Not here: which rows are plotted (`reports.regression_figures`), anything that estimates (`analysis`).
Colours are those of Okabe and Ito, told apart by the colour-blind; meaning never rests on colour alone.
"""
