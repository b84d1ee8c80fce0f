//! `--name value` arguments, without a dependency.

use std::str::FromStr;

use crate::Result;

/// The arguments of the process, taken out one by one.
#[derive(Debug)]
pub struct Arguments(Vec<String>);

impl Arguments {
    /// The arguments after the program's name.
    pub fn of_process() -> Self {
        Self(std::env::args().skip(1).collect())
    }

    /// Takes the flag `name`; whether it was there.
    pub fn flag(&mut self, name: &str) -> bool {
        let position = self.0.iter().position(|argument| argument == name);
        position.map(|position| self.0.remove(position)).is_some()
    }

    /// Takes the option `name` and its value.
    ///
    /// # Errors
    /// The value is missing or not a `T`.
    pub fn option<T: FromStr>(&mut self, name: &str) -> Result<Option<T>> {
        let Some(position) = self.0.iter().position(|argument| argument == name) else {
            return Ok(None);
        };
        self.0.remove(position);
        if position == self.0.len() {
            return Err(format!("{name} needs a value").into());
        }
        let value = self.0.remove(position);
        match value.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(format!("{name} {value}: not a valid value").into()),
        }
    }

    /// Takes the option `name`: names separated by commas, each of which must be one of `known`.
    ///
    /// # Errors
    /// An unknown name; the message lists the known ones.
    pub fn names(&mut self, name: &str, known: &[&str]) -> Result<Option<Vec<String>>> {
        let Some(value) = self.option::<String>(name)? else {
            return Ok(None);
        };
        let names: Vec<String> = value.split(',').map(str::to_owned).collect();
        if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(format!("{name}: {unknown} is none of {}", known.join(", ")).into());
        }
        Ok(Some(names))
    }

    /// Whether all arguments have been taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends the parsing.
    ///
    /// # Errors
    /// Something was not taken.
    pub fn finish(self) -> Result<()> {
        match self.0.first() {
            None => Ok(()),
            Some(argument) => Err(format!("unknown argument {argument}").into()),
        }
    }
}
