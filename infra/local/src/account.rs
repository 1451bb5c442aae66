use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use nix::unistd::{Gid, Uid, User, chown, geteuid};

use crate::guard::Account;

/// The account a server must run as that refuses to run as root: `postgres` or `nobody` when we are root, and
/// nothing to change otherwise.
pub(crate) fn unprivileged() -> Result<Option<Account>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Some(user) = User::from_name(name)? {
            return Ok(Some(Account { uid: user.uid.as_raw(), gid: user.gid.as_raw() }));
        }
    }
    anyhow::bail!("Postgres refuses to run as root, and there is neither a `postgres` nor a `nobody` account")
}

/// Gives a folder and what is in it to an account.
pub(crate) fn give(path: &Path, account: Account) -> Result<()> {
    chown(path, Some(Uid::from_raw(account.uid)), Some(Gid::from_raw(account.gid)))
        .with_context(|| format!("cannot give {} to user {}", path.display(), account.uid))?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), account)?;
        }
    }
    Ok(())
}

/// Whether a folder is one itself, no link to one, and belongs to us.
pub(crate) fn is_ours(folder: &Path) -> Result<bool> {
    let data = fs::symlink_metadata(folder)?;
    Ok(data.is_dir() && data.uid() == geteuid().as_raw())
}

/// Whether an account may walk down to a folder.
pub(crate) fn reaches(account: Account, folder: &Path) -> bool {
    folder.ancestors().filter(|path| path.is_dir()).all(|path| {
        fs::metadata(path).is_ok_and(|data| {
            let bit = if data.uid() == account.uid {
                0o100
            } else if data.gid() == account.gid {
                0o010
            } else {
                0o001
            };
            data.mode() & bit != 0
        })
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_below_a_closed_one_is_out_of_reach() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let stranger = Account { uid: 54_321, gid: 54_321 };
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(reaches(stranger, &inner));
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!reaches(stranger, &inner));
        let owner = fs::metadata(folder.path()).unwrap();
        assert!(reaches(Account { uid: owner.uid(), gid: owner.gid() }, &inner) || owner.uid() == 0);
    }
}
