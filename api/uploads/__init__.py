"""The body of an upload request becomes stored photos: spool, fields, parse, intake."""
