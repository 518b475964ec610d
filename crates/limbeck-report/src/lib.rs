//! A pure function from results to one HTML page.
