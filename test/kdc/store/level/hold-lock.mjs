// Holds the lock of the LevelDB folder that it is given until its parent lets it end.
import { Level } from 'level'

const database = new Level(process.argv[2])
await database.open()
process.on('disconnect', () => database.close())
process.send('open')
