//! Names of short common objects, the subjects of the sentences.

/// The names prompts are made of. A tokenizer uses those it can write in the same number of tokens.
pub const NAMES: [&str; 120] = [
    "Van", "Hat", "Ring", "Desk", "Sun", "Cup", "Bag", "Box", "Pen", "Bed", "Car", "Bus", "Map", "Key",
    "Cap", "Jar", "Pot", "Pan", "Fan", "Log", "Net", "Oar", "Pin", "Rug", "Saw", "Tie", "Tub", "Urn", "Web",
    "Axe", "Ball", "Bell", "Belt", "Bike", "Boat", "Book", "Boot", "Bowl", "Brick", "Broom", "Cage", "Cake",
    "Cane", "Card", "Cart", "Chair", "Chain", "Clock", "Coat", "Coin", "Comb", "Cork", "Crate", "Crown",
    "Dart", "Dish", "Doll", "Door", "Dress", "Drum", "Fence", "Flag", "Fork", "Frame", "Gate", "Glass",
    "Globe", "Glove", "Harp", "Hook", "Horn", "House", "Kite", "Knife", "Lamp", "Lock", "Mask", "Mill",
    "Nail", "Note", "Oven", "Pipe", "Plate", "Plug", "Pump", "Raft", "Rope", "Sail", "Scale", "Screw",
    "Shelf", "Ship", "Shirt", "Shoe", "Sign", "Sink", "Sled", "Soap", "Sock", "Spoon", "Stamp", "Stone",
    "Stove", "Table", "Tape", "Tent", "Tile", "Tool", "Torch", "Tower", "Toy", "Train", "Tray", "Truck",
    "Vase", "Vest", "Wall", "Watch", "Wheel", "Whip",
];
