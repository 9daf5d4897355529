"""Static analysis and automatic repair of task-group misuse in anyio, trio and asyncio code."""

__version__ = "0.1.0"
