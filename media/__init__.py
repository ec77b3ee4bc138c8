"""The media pipeline: an uploaded file in, a ladder of playable files out.

The decoder is the most attacked code of the product, so it never runs in the process that serves or in
the one that holds the store's credentials: `worker` and `encoder` stay on the safe side and do not import
`av`; everything that does runs inside `child`, one short-lived process a job.
"""
