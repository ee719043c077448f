//! How faithfully policies are expressed, alone and beside others.
