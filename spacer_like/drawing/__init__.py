"""What pictures of any kind need: figures, charts, sheets of images, colours, and names fit to be drawn."""
