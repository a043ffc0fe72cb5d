import { render } from 'preact'
import './styles/index.css'
import { start } from './api.ts'
import { App } from './shell.tsx'
start()
render(<App />, document.getElementById('app')!)
