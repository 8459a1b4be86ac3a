//! The key that signs access tokens: an ES256 key from a file, or made at the first start.

use crate::config::Config;
use crate::error::Fault;
use crate::random;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Where the key of the first start is kept, in `server.data_dir`.
const FILE: &str = "access-token-key.pem";
/// Only its owner reads a private key.
const MODE: u32 = 0o600;
/// Columns of a PEM file's lines (RFC 7468, section 2).
const PEM_COLUMNS: usize = 64;

/// The key's PEM text: from `auth.key_file`, else from the data folder, where it is made when it is missing.
/// Production has a key file: the configuration is refused there without one.
///
/// # Errors
/// A file cannot be read or written.
pub fn load(config: &Config) -> Result<String, Fault> {
    if !config.auth.key_file.is_empty() {
        let path = Path::new(&config.auth.key_file);
        return fs::read_to_string(path).map_err(Fault::doing(format!(
            "reading auth.key_file {}",
            path.display()
        )));
    }
    let folder = Path::new(&config.server.data_dir);
    let path = folder.join(FILE);
    match fs::read_to_string(&path) {
        Ok(pem) => Ok(pem),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            create(folder, &path)?;
            fs::read_to_string(&path).map_err(doing("reading", &path))
        }
        Err(error) => Err(doing("reading", &path)(error)),
    }
}

fn doing(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Fault {
    Fault::doing(format!("{what} {}", path.display()))
}

/// Makes the file in one step: written whole under another name, then linked, which fails if another process was
/// quicker; then its key is the one.
fn create(folder: &Path, path: &Path) -> Result<(), Fault> {
    fs::create_dir_all(folder).map_err(doing("making the folder", folder))?;
    let name = URL_SAFE_NO_PAD.encode(random::bytes::<12>());
    let draft: PathBuf = folder.join(format!(".{FILE}.{name}"));
    let result = write(&draft).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(doing("making", path)(error)),
        _ => Ok(()),
    });
    crate::error::swallow(fs::remove_file(&draft), "removing the draft of a key");
    result
}

fn write(draft: &Path) -> Result<(), Fault> {
    let pem = generate()?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(draft)
        .map_err(doing("making", draft))?;
    file.write_all(pem.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(doing("writing", draft))
}

/// A new key as PEM of PKCS#8.
fn generate() -> Result<String, Fault> {
    let der = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
        .and_then(|pair| pair.to_pkcs8v1())
        .map_err(Fault::doing("making the key of access tokens"))?;
    let text = STANDARD.encode(der.as_ref());
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    for line in text.as_bytes().chunks(PEM_COLUMNS) {
        pem.extend(line.iter().map(|&byte| char::from(byte)));
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_key_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let config = |dir: &Path| Config::with([("server.data_dir", dir.to_str().unwrap())]);
        let config = config(&folder.path().join("data")).unwrap();
        let first = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| load(&config))).collect();
            let keys: Vec<_> = threads
                .into_iter()
                .map(|thread| thread.join().unwrap().unwrap())
                .collect();
            assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
            keys[0].clone()
        });
        assert_eq!(load(&config).unwrap(), first);
        let files: Vec<_> = fs::read_dir(folder.path().join("data")).unwrap().collect();
        assert_eq!(files.len(), 1, "no drafts stay: {files:?}");
        let mode = files[0].as_ref().unwrap().metadata().unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, MODE);
    }
}
