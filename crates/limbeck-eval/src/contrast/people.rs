//! First names, the people of the sentences.

/// Names prompts are made of. A tokenizer uses those it writes in the same number of tokens.
pub(crate) const PEOPLE: [&str; 40] = [
    "Mary", "John", "Tom", "James", "Anna", "David", "Paul", "Mark", "Sarah", "Peter", "Michael", "Robert",
    "William", "Thomas", "George", "Henry", "Jack", "Charles", "Richard", "Alice", "Laura", "Emma", "Kate",
    "Jane", "Susan", "Linda", "Lisa", "Helen", "Rachel", "Julia", "Martin", "Simon", "Daniel", "Andrew",
    "Kevin", "Brian", "Frank", "Scott", "Eric", "Adam",
];

/// Further names, none of them above.
pub(crate) const OTHER_PEOPLE: [&str; 24] = [
    "Rose", "Grace", "Lucy", "Ruth", "Karen", "Diana", "Emily", "Amy", "Alan", "Roger", "Carl", "Luke",
    "Max", "Oliver", "Victor", "Walter", "Philip", "Lewis", "Jason", "Ryan", "Patrick", "Joseph", "Samuel",
    "Nancy",
];
