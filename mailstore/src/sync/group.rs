//! One group made durable.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Flushed, SINGLE_MAX, Slot, Syncs};
use crate::fs::{File, Volume};

/// What one caller submitted.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) files: Vec<Box<dyn File>>,
    pub(super) dirs: Vec<PathBuf>,
    pub(super) slot: Arc<Slot>,
}

/// A request that ends without a result, by a panic of the disk, is answered so that nobody waits for ever.
impl Drop for Request {
    fn drop(&mut self) {
        let lost = || Err(io::Error::other("the flush was broken off"));
        let files = std::mem::take(&mut self.files).into_iter().map(|file| (file, lost())).collect();
        let dirs = self.dirs.iter().map(|_| lost()).collect();
        self.slot.answer(Flushed { files, dirs });
    }
}

/// What happens to everything on one file system.
#[derive(Debug)]
enum Way {
    /// The whole of it is flushed, with this result.
    Whole(io::Result<()>),
    Single,
}

/// Makes all that a group needs durable, and answers each request.
pub(super) fn flush(syncs: &Syncs, group: Vec<Request>) {
    let fs = &*syncs.0.fs;
    let mut dirs: BTreeMap<PathBuf, (Option<u64>, Option<io::Result<()>>)> = BTreeMap::new();
    for dir in group.iter().flat_map(|request| &request.dirs) {
        if !dirs.contains_key(dir) {
            dirs.insert(dir.clone(), (None, None));
        }
    }
    let files: usize = group.iter().map(|request| request.files.len()).sum();
    let mut ways: BTreeMap<u64, Way> = BTreeMap::new();
    let mut file_devices: Vec<Option<u64>> = vec![None; files];
    if files + dirs.len() > SINGLE_MAX {
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        let all_files = group.iter().flat_map(|request| &request.files);
        for (device, file) in file_devices.iter_mut().zip(all_files) {
            // What cannot be looked at is synced by itself, and tells then what is wrong.
            *device = file.metadata().ok().map(|metadata| metadata.device);
        }
        for (dir, (device, _)) in &mut dirs {
            *device = fs.metadata(dir).ok().map(|metadata| metadata.device);
        }
        let devices = file_devices.iter().chain(dirs.values().map(|(device, _)| device)).flatten();
        devices.for_each(|device| *counts.entry(*device).or_default() += 1);
        for (device, count) in counts {
            let way = match volume(syncs, device).filter(|_| count > SINGLE_MAX) {
                Some(volume) => Way::Whole(volume.sync().inspect_err(|_| distrust(syncs, device))),
                None => Way::Single,
            };
            ways.insert(device, way);
        }
    }
    let whole = |device: Option<u64>| match ways.get(&device?)? {
        Way::Whole(Ok(())) => Some(Ok(())),
        Way::Whole(Err(error)) => Some(Err(again(error))),
        Way::Single => None,
    };

    let mut file_devices = file_devices.into_iter();
    let mut answers = Vec::with_capacity(group.len());
    for mut request in group {
        let files = std::mem::take(&mut request.files);
        let synced = files.into_iter().zip(file_devices.by_ref()).map(|(file, device)| {
            let result = whole(device).unwrap_or_else(|| file.sync());
            (file, result)
        });
        let synced = synced.collect();
        answers.push((request, synced));
    }
    for (dir, (device, result)) in &mut dirs {
        *result = Some(whole(*device).unwrap_or_else(|| fs.sync_dir(dir)));
    }
    for (request, files) in answers {
        let result = |dir| match &dirs[dir] {
            (_, Some(Err(error))) => Err(again(error)),
            _ => Ok(()),
        };
        let dirs = request.dirs.iter().map(result).collect();
        request.slot.answer(Flushed { files, dirs });
    }
}

fn volume(syncs: &Syncs, device: u64) -> Option<Arc<dyn Volume>> {
    syncs.lock().volumes.get(&device).cloned().flatten()
}

/// From now on each file of it is synced by itself.
fn distrust(syncs: &Syncs, device: u64) {
    syncs.lock().volumes.insert(device, None);
}

/// The same error for one more.
fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
