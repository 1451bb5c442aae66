//! summarizer.
