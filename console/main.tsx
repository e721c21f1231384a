import { render } from 'preact'
import './style/tokens.css'
import './style/base.css'
import './style/parts.css'
import { App } from './app/app.js'

const place = document.getElementById('console')
if (place !== null) render(<App />, place)
