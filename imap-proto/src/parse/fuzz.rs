//! Bodies of fuzz targets: properties that hold for any octets.
