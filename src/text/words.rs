//! The words of which names are put together.

/// The words of a name, as they are written there: `DeleteDBInstance` is Delete, DB, Instance.
pub fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for (index, letter) in letters.iter().enumerate() {
        if !letter.is_alphanumeric() {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            continue;
        }
        let before = index.checked_sub(1).and_then(|before| letters.get(before));
        let after = letters.get(index + 1);
        // The `s` of `VPCs` begins no word.
        let plural = after == Some(&'s') && letters.get(index + 2).is_none_or(|next| next.is_uppercase());
        let starts = letter.is_uppercase()
            && (before.is_some_and(|before| !before.is_uppercase())
                || (after.is_some_and(|after| after.is_lowercase()) && !plural));
        if starts && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        word.push(*letter);
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn capitals_begin_words() {
        assert_eq!(words("DeleteDBInstance"), ["Delete", "DB", "Instance"]);
        assert_eq!(words("LoadBalancerARNs"), ["Load", "Balancer", "ARNs"]);
        assert_eq!(words("delete-db_instance"), ["delete", "db", "instance"]);
        assert!(words("").is_empty());
    }
}
