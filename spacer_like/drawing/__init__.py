"""Drawing that all pictures share: figures, charts, sheets of images, colours, and names fit to be drawn."""
