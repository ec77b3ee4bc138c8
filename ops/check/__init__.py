"""Holds what is stored against itself: counts against facts, blobs against rows, both ways.

`faults` finds and knows nothing of files, databases or terminals; `opening` opens a data folder for reading
alone, also while the product runs on it; `repair` puts right what can be put right without guessing.
"""
