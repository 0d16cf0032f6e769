"""The filters. Each function takes a picture in RGB or RGBA and its spec, and returns a new one of the same mode and
size. Their specs in darkroom/jobs/steps/filters/ define what each does. Every value is within one level of its
definition in floating point. Colours of pixels whose neighbours mix are weighted by their alpha (`details.py`). The
functions of the other families know RGB only: `alpha.py` makes them fit, and they leave alpha as it is.
"""
