//! entity-extractor.
