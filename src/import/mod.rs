//! Bringing data in.
pub mod products {
    //! Products.
    use crate::{app::App, error::Fault};
    use std::path::Path;
    /// Placeholder until the import branch is merged.
    pub async fn run(_: &App, _: &Path, _: bool, _: &Path) -> Result<String, Fault> {
        Err(Fault::Broken("not merged yet".into()))
    }
}
