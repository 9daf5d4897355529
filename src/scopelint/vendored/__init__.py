"""The forms of the helper file that `scopelint fix` writes, read as text by the tool."""
