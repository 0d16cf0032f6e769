"""Programs of the contenders. Each runs in an environment of its own and imports nothing of ours.

Each reads lines of JSON from standard input, `{"order": ..., "photo": ..., "out": ...}`, carries out the order, writes
the results into the folder `out` as `0.jpg`, `1.jpg` and so on, and answers with a line: `done`, or `failed` and why.
The first line that it prints is a JSON object of the versions that it uses.
"""
