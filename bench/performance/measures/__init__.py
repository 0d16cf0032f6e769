"""One measure a file: `measure(bench)` returns what goes into the JSON, `lines(found)` makes Markdown tables of it."""
