"""The specs of filters, which change the pixels of a picture and keep its size."""
