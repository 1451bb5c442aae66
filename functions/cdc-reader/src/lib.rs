//! cdc-reader.
