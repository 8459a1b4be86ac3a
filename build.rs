//! Puts the files of `graphiql/` into the program: the page and, when `scripts/graphiql` has made it, the bundle.
//! The build succeeds without any of them.

use std::path::{Path, PathBuf};
use std::{fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    // Cargo runs build scripts in the package's folder. `env!` would name the one in which the script was compiled.
    let folder = std::env::current_dir()?.join("graphiql");
    let mut table = Vec::new();
    for name in ["index.html", "fallback.html", "fallback.js", "favicon.svg"] {
        let path = folder.join(name);
        if path.exists() {
            println!("cargo::rerun-if-changed=graphiql/{name}");
            table.push(row(name, &path, false));
        }
    }
    let dist = folder.join("dist");
    if dist.exists() {
        println!("cargo::rerun-if-changed=graphiql/dist");
        for path in compressed(&dist)? {
            if let Some(name) = path.file_stem().and_then(|name| name.to_str()) {
                table.push(row(name, &path, true));
            }
        }
    } else if folder.exists() && !folder.join("node_modules").exists() {
        // Notices when `dist` appears. A path that does not exist would mean a rebuild each time.
        println!("cargo::rerun-if-changed=graphiql");
    }
    let text = format!(
        "static FILES: [File; {}] = [\n{}];\n",
        table.len(),
        table.concat()
    );
    fs::write(out_dir()?.join("graphiql.rs"), text)
}

/// The `.gz` files of a folder, in order, so that the same files give the same program.
fn compressed(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "gz") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn row(name: &str, path: &Path, gzip: bool) -> String {
    format!(
        "    File {{ name: {name:?}, gzip: {gzip}, bytes: include_bytes!({path:?}), etag: OnceLock::new() }},\n"
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "Cargo tells a build script where to write by a variable"
)]
fn out_dir() -> io::Result<PathBuf> {
    std::env::var_os("OUT_DIR")
        .map(PathBuf::from)
        .ok_or_else(|| io::Error::other("OUT_DIR is not set"))
}
