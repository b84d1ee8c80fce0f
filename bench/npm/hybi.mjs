// The npm package of this project.
import { WebSocketServer } from '../../node/index.js';
import { serve } from './serve.mjs';

serve(WebSocketServer);
