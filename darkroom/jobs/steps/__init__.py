"""The specs of steps: the operations on a picture. The parameters are named as in sharp (the Node.js library).

`fit: fill` stretches, as in sharp; in imgproxy and Cloudinary it crops. A file holds one family of steps;
`darkroom/jobs/step_types.py` lists them all. CONTRIBUTING.md shows how to add a filter.
"""
