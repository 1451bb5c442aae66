-- What it took to find the rest of an erasure is deleted when the erasure is complete.
vacuum (skip_locked) afterthought.erasures, afterthought.erased_sessions
