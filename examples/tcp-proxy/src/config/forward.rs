//! Which cluster everything goes to.

use super::{Cluster, Config};

impl Config {
    /// With nothing to forward to, the built-in upstreams answer.
    pub fn wants_demo(&self) -> bool {
        self.forward.is_empty() && self.clusters.is_empty()
    }

    /// Where everything goes: to the cluster that is named, or to the only one.
    pub fn target(&self) -> Option<(&str, &Cluster)> {
        let mut clusters = self.clusters.iter().map(|(name, cluster)| (name.as_str(), cluster));
        if self.forward.is_empty() && self.clusters.len() == 1 {
            return clusters.next();
        }
        clusters.find(|(name, _)| *name == self.forward)
    }

    pub fn forward_all_to(&mut self, name: &str, cluster: Cluster) {
        self.clusters.insert(name.to_owned(), cluster);
        name.clone_into(&mut self.forward);
    }

    pub fn forward_like(&mut self, other: &Self) {
        self.forward.clone_from(&other.forward);
        self.clusters.clone_from(&other.clusters);
    }

    /// What is wrong when it is none.
    pub(super) fn astray(&self) -> Option<String> {
        if self.wants_demo() || self.target().is_some() {
            return None;
        }
        let clusters: Vec<_> = self.clusters.keys().map(String::as_str).collect();
        Some(if self.forward.is_empty() {
            format!("forward must name one of the clusters: {}", clusters.join(", "))
        } else {
            format!("forward: there is no cluster {:?}", self.forward)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_clusters_one_must_be_named() {
        let one = "cluster.db.endpoints = [\"a:1\"]\n";
        let only = Config::parse(one).unwrap();
        assert_eq!(only.target().map(|(name, _)| name), Some("db"));
        let two = format!("{one}cluster.other.endpoints = [\"b:1\"]\n");
        let unsaid = Config::parse(&two).unwrap_err();
        assert_eq!(unsaid.problems, ["forward must name one of the clusters: db, other"]);
        let said = Config::parse(&format!("forward = \"other\"\n{two}")).unwrap();
        assert_eq!(said.target().map(|(name, _)| name), Some("other"));
    }
}
