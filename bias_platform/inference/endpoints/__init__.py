"""Asking models that are served over HTTP: where an endpoint is, how fast it may be asked, what its replies mean.

The engine `openai` is made of these. Not here: what is asked (`inference.answering`), what may be spent
(`inference.spending`). Importing `endpoint` imports no client library.
"""
