//! All that the recorder knows of files: a place where new ones are made, and what is done to one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

/// A place for files.
pub trait Disk: Send {
    /// Makes a file that is not there yet.
    ///
    /// # Errors
    /// Those of the system; [`io::ErrorKind::AlreadyExists`] where there is one of that name.
    fn create(&mut self, name: &str) -> io::Result<Box<dyn Output>>;

    /// Takes a file away that holds nothing.
    fn remove(&mut self, name: &str);
}

/// A file that is being written.
pub trait Output: Send {
    /// Writes behind what is there.
    ///
    /// # Errors
    /// Those of the system; part of it may be written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Writes over its first bytes.
    ///
    /// # Errors
    /// Those of the system.
    fn head(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Waits until all of it is on the disk.
    ///
    /// # Errors
    /// Those of the system.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts off what is beyond so many bytes, as well as that can be done.
    fn cut(&mut self, length: u64);
}

/// A folder that only its owner can read, as are the files in it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Opens the folder, and makes it where it is not there.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn open(path: PathBuf) -> io::Result<Folder> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)?;
        Ok(Folder { path })
    }
}

impl Disk for Folder {
    fn create(&mut self, name: &str) -> io::Result<Box<dyn Output>> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.path.join(name))?;
        // Its name is to be on the disk as well, where the file system can do that.
        if let Ok(folder) = File::open(&self.path) {
            let _ = folder.sync_all();
        }
        Ok(Box::new(OpenFile(file)))
    }

    fn remove(&mut self, name: &str) {
        let _ = std::fs::remove_file(self.path.join(name));
    }
}

#[derive(Debug)]
struct OpenFile(File);

impl Output for OpenFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn head(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, 0)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn cut(&mut self, length: u64) {
        let _ = self.0.set_len(length);
    }
}
