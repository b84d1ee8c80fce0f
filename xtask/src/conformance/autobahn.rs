//! Getting the Autobahn|Testsuite: a Python 2.7 of this machine, and a virtual environment under
//! target/ with exactly the packages that conformance/autobahn-requirements.txt names.

use crate::shell;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The last line of virtualenv that makes environments for Python 2.7.
const VIRTUALENV: &str = "virtualenv==20.15.1";

/// Names the interpreter where none of the usual places has one.
const PYTHON_VARIABLE: &str = "HYBI_PYTHON27";

/// An installed testsuite.
pub(super) struct Autobahn {
    python: PathBuf,
}

impl Autobahn {
    /// Installs the testsuite, unless that was done before.
    ///
    /// # Errors
    /// Why it cannot be had on this machine, and what to do about it.
    pub(super) fn install() -> Result<Self, String> {
        let requirements = shell::root().join("conformance/autobahn-requirements.txt");
        let wanted = shell::read(&requirements)?;
        let directory = shell::target().join("autobahn");
        let environment = directory.join("venv");
        let python = environment.join("bin/python");
        // Written last: an installation that was cut short has none.
        let receipt = environment.join("installed.txt");
        let installed = fs::read_to_string(&receipt).is_ok_and(|installed| installed == wanted);
        if installed && is_python_2_7(python.as_os_str()) {
            return Ok(Autobahn { python });
        }

        let system_python = find_python()?;
        println!("installing the Autobahn|Testsuite (once; about a minute)");
        let virtualenv = directory.join("virtualenv");
        shell::fresh_directory(&environment)?;
        shell::fresh_directory(&virtualenv)?;
        // Not `--user`: nothing of this is left on the machine when target/ is removed.
        pip(&system_python, |pip| pip.arg("--target").arg(&virtualenv).arg(VIRTUALENV))?;
        shell::output(
            Command::new(&system_python)
                .args(["-m", "virtualenv", "--quiet", "--no-download", "--app-data"])
                .arg(directory.join("virtualenv-data"))
                .arg(&environment)
                .env("PYTHONPATH", &virtualenv),
        )?;
        pip(python.as_os_str(), |pip| {
            pip.args(["--no-deps", "--no-build-isolation", "-r"]).arg(&requirements)
        })?;
        shell::write(&receipt, &wanted)?;
        Ok(Autobahn { python })
    }

    /// `wstest` in one of its modes, with the specification in this file.
    pub(super) fn wstest(&self, mode: &str, specification: &Path) -> Command {
        let mut command = Command::new(&self.python);
        // Unbuffered, or the line that says where it listens never comes. Without warnings, or the
        // log begins with those of Python 2's end.
        command
            .args(["-u", "-W", "ignore"])
            .arg(shell::root().join("conformance/wstest.py"))
            .args(["--mode", mode, "--webport", "0", "--spec"])
            .arg(specification);
        command
    }
}

fn pip(
    python: &OsStr,
    arguments: impl FnOnce(&mut Command) -> &mut Command,
) -> Result<String, String> {
    let mut command = Command::new(python);
    command.args(["-W", "ignore", "-m", "pip", "install", "--quiet"]);
    command.env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    shell::output(arguments(&mut command)).map_err(|problem| format!("pip failed: {problem}"))
}

/// A Python 2.7: the one named by [`PYTHON_VARIABLE`], on the path, or under pyenv.
fn find_python() -> Result<OsString, String> {
    if let Some(named) = std::env::var_os(PYTHON_VARIABLE) {
        if is_python_2_7(&named) {
            return Ok(named);
        }
        return Err(format!("{PYTHON_VARIABLE}={} is no Python 2.7", named.to_string_lossy()));
    }
    let on_path = ["python2.7", "python2", "python"].map(OsString::from);
    let found = on_path.into_iter().chain(pyenv_pythons()).find(|python| is_python_2_7(python));
    found.ok_or_else(|| {
        format!(
            "it runs on Python 2.7 alone, and there is none here, neither on the path nor under \
             pyenv; install one (`pyenv install 2.7.18`), or set {PYTHON_VARIABLE} to where it is"
        )
    })
}

/// The interpreters of pyenv, whose own `python2.7` runs only where that version is chosen.
fn pyenv_pythons() -> Vec<OsString> {
    let root = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root =
        root.or_else(|| shell::output(Command::new("pyenv").arg("root")).ok().map(Into::into));
    let root =
        root.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv")));
    let versions = root.and_then(|root| fs::read_dir(root.join("versions")).ok());
    let versions = versions.into_iter().flatten().flatten();
    versions
        .filter(|version| version.file_name().to_string_lossy().starts_with("2.7"))
        .map(|version| version.path().join("bin/python2.7").into_os_string())
        .collect()
}

fn is_python_2_7(python: &OsStr) -> bool {
    let version = "import sys; print('%d.%d' % sys.version_info[:2])";
    shell::output(Command::new(python).args(["-c", version])).is_ok_and(|printed| printed == "2.7")
}
