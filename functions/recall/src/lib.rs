//! recall.
