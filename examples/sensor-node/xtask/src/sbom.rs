//! The software bill of materials of the image, as `CycloneDX` 1.6.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::{env, str};

use serde_json::{Value, json};

use crate::image::workspace;
use crate::{Result, project};

/// Lists the packages whose code is in the image, and by which they came.
///
/// # Errors
///
/// If cargo can't tell.
pub fn write() -> Result<Value> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args([
        "metadata",
        "--locked",
        "--format-version=1",
        "--filter-platform",
        project::TARGET,
    ]);
    let output = cargo.current_dir(workspace()).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().into());
    }
    Ok(describe(&serde_json::from_slice(&output.stdout)?))
}

/// The bill for what `cargo metadata` says.
fn describe(metadata: &Value) -> Value {
    let packages: BTreeMap<&str, &Value> =
        members(&metadata["packages"]).map(|package| (text(&package["id"]), package)).collect();
    let nodes: BTreeMap<&str, &Value> =
        members(&metadata["resolve"]["nodes"]).map(|node| (text(&node["id"]), node)).collect();
    let firmware = packages.iter().find(|(_, package)| package["name"] == "firmware");
    let firmware = firmware.map_or("", |(id, _)| id);

    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    let mut seen = BTreeSet::from([firmware]);
    let mut open = vec![firmware];
    while let Some(id) = open.pop() {
        let linked: BTreeSet<&str> = nodes.get(id).map_or_else(BTreeSet::new, |node| linked(node));
        open.extend(linked.iter().filter(|&&id| seen.insert(id)));
        let reference = |id: &&str| packages.get(id).map(|package| identity(package));
        dependencies.push(json!({
            "ref": reference(&id),
            "dependsOn": linked.iter().filter_map(reference).collect::<Vec<_>>(),
        }));
        if id != firmware {
            components.extend(packages.get(id).map(|package| component("library", package)));
        }
    }
    components.sort_by_key(|component| component["bom-ref"].to_string());
    dependencies.sort_by_key(|dependency| dependency["ref"].to_string());
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": packages.get(firmware).map(|package| component("firmware", package))},
        "components": components,
        "dependencies": dependencies,
    })
}

/// The packages that a package links, those left out that only its build or its tests use.
fn linked(node: &Value) -> BTreeSet<&str> {
    let is_linked =
        |dependency: &&Value| members(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null());
    members(&node["deps"]).filter(is_linked).map(|dependency| text(&dependency["pkg"])).collect()
}

fn component(kind: &str, package: &Value) -> Value {
    let mut component = json!({
        "type": kind,
        "bom-ref": identity(package),
        "name": package["name"],
        "version": package["version"],
        "licenses": [{"expression": package["license"]}],
    });
    if package["source"].is_string() {
        component["purl"] = identity(package).into();
    }
    component
}

/// A package URL.
fn identity(package: &Value) -> String {
    format!("pkg:cargo/{}@{}", text(&package["name"]), text(&package["version"]))
}

fn members(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_what_is_linked() {
        let package = |id, source| json!({"id": id, "name": id, "version": "1.0.0", "license": "MIT", "source": source});
        let needs = |id, kind| json!({"pkg": id, "dep_kinds": [{"kind": kind}]});
        let bill = describe(&json!({
            "packages": [package("firmware", Value::Null), package("rt", json!("registry")), package("cc", json!("registry"))],
            "resolve": {"nodes": [
                {"id": "firmware", "deps": [needs("rt", Value::Null), needs("cc", json!("build"))]},
                {"id": "rt", "deps": []},
                {"id": "cc", "deps": []},
            ]},
        }));
        let names: Vec<_> = members(&bill["components"]).map(|it| text(&it["purl"])).collect();
        assert_eq!(names, ["pkg:cargo/rt@1.0.0"]);
        assert_eq!(bill["metadata"]["component"]["name"], "firmware");
    }
}
