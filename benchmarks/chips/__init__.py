"""What is measured of the family `chips`: cutting tiles, joining maps, and searching for similar places."""
