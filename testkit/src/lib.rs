//! Test tools of the workspace: transcripts, every split, two machines in virtual time, tidy.
