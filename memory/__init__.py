"""What is known: records and recall. Makes no model calls and edits no files."""
