"""A request body becomes stored photos: parse, fields, spool, intake."""
