"""The parts of `choosing.py`: cells on tasks, with one budget, and the guide from the record.

| module | content |
|---|---|
| `problem` | a task's data, draws, losses and baselines, in one form |
| `data` | the loaders |
| `tasks` | the table of tasks and their budgets |
| `networks` | the table of cells, and the rule by which their sizes are equal |
| `training` | all rates and seeds of a cell on a task, trained at once |
| `jobs` | a process for each cell and task, on a core of its own |
| `analysis` | the cells compared: the best, those level with it, memory, cost |
| `guide` | the text of `docs/choosing.md` |
| `figure` | the figure |
"""
