"""What maps say about chips: elements of OpenStreetMap, their geometries, the join with chips, and tables of labels."""
