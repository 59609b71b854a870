"""The scoreboard: the shipped engine and its peers over photos that it never saw.

Pictures are float arrays [h, w, 3] of 0..1 everywhere; noise levels are of 0..255.
Nothing here is shared with the code that makes training data: what is measured must not
be what was trained on.
"""
