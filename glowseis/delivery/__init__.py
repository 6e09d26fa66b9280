"""What a crew hands over after grading: kill list, map and marked SEG-Y, from the table of grades and its files."""
