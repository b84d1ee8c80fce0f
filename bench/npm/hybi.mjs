// The npm package of this project.
import { WebSocketServer } from '../../node/wrapper.mjs';
import { serve } from './serve.mjs';

serve(WebSocketServer);
