"""Write results. `encoders.py` lists the formats, with one file for each; `encoding.py` writes a picture.

Read encoding.py first.
"""

from worker.photo.encode.encoders import ENCODERS as ENCODERS
from worker.photo.encode.encoding import encode as encode
